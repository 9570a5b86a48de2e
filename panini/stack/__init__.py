"""panini.stack: the servers of a laptop, a real Kafka and a real Valkey, each a child process in one home folder.

Here lives what it takes to have them: the home's layout, its secrets, its ports, the pinned jars, a Java, starting,
watching and stopping a process. What runs on top of them (the API, the workers) is composed elsewhere; nothing here
knows jobs, models or results.
"""
