"""dashboard: the pages a person sees.

Templates, their routes and their scripts. Every fact comes from the public HTTP API with the visitor's own key, so a
page can show and do what its visitor could with `curl`, and nothing else: no database, no engine, no model's code here.
"""
