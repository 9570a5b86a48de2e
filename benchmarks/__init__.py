"""benchmarks: what Panini costs and how fast it is, alone and beside other job systems. Anybody can run it.

    python -m benchmarks.quick      one running stack, two scenarios, 20 s      (PANINI_HOME says which)
    python -m benchmarks.travel     every step of a job's way by itself, two minutes
    python -m benchmarks.run        Panini alone, from an empty folder          (make bench)
    python -m benchmarks.run --peers    and the others, same model, same client (make bench-peers)

Every answer is checked. Everything listens on loopback, is bounded in count and time, and is ended by its pid. Nothing
of the product imports this package, and no figure in it is asserted: tests never measure time.
"""
