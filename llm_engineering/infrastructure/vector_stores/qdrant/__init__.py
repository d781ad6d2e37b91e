"""A Qdrant server, cluster or cloud: a version is a collection, the active one has an alias."""
