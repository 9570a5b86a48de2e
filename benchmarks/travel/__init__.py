"""What each step of a job's way costs: `python -m benchmarks.travel [--dry]`.

A stack of its own is started in a temporary folder. First whole jobs are measured on it; then every step by itself,
with the product's own functions on that stack's Kafka and Valkey and a runner of the same model, while the stack's API
and worker stand idle. The figures go into docs/how-a-job-travels.md.
"""
