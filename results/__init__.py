"""results: what became of a job.

The store (every Redis key in one module, every atomic step one short Lua script), reading, waiting and pushing. It
never produces to a model's topic, never runs a model and knows nothing of versions but their number.
"""
