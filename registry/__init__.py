"""registry: what can be run, and by whom.

Accounts, models, versions, bundles, keys and build logs, their database, and their HTTP routes. It never runs a
user's code and never touches a job or its result.
"""
