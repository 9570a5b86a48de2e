"""dashboard: the pages a person sees. Templates and their routes; every fact comes from the same services as the API."""
