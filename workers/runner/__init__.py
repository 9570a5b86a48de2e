"""workers.runner: the program inside a runner, and the bootstrap that encloses it.

Runs in the interpreter of the version's own environment, from a copied kit, with the standard library and a private
copy of msgpack. Nothing here imports another package of Panini, and nothing of a worker imports this at run time.
"""
