"""Elasticsearch and OpenSearch, which speak almost the same."""
