"""workers: Kafka to predict() to results.

The source (only its `faust_app` knows faust), the batcher, the pipeline that claims, predicts and finishes, the runner
and its host, the building of versions, and the pure scaling policy. No HTTP routes and no database live here; what a
worker knows of models it asks the registry over HTTP.
"""
