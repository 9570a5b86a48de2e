"""ingest: HTTP in. Each accepted POST becomes one job in a record of the model's Kafka topic.

Routes, validation of input, the producer. Thin: it never imports workers, k8s or dashboard, never runs a model, and
accepting a job depends on Kafka alone.
"""
