"""wire: what crosses a process boundary.

The job envelope and its codec, the names of topics and groups, job ids, error bodies, the directory of keys and
endpoints as other processes see it, and the connection settings. Pure values: nothing here opens a socket, a file or a
database, and nothing here knows HTTP routes, Redis keys or models' code.
"""
