"""roles: what an HTTP process can be. One module each, imported only by the processes that have that role.

A role mounts its routes on the application and starts what they stand on; no logic of its own.
"""
