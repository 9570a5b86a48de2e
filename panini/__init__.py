"""panini: the front door. The command line, the Python client and the local stack (Kafka, Valkey, supervisor).

It composes the rooms below into processes; no rule about jobs, models or results lives here.
"""
