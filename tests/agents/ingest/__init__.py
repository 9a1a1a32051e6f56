"""Ingest: order, progress, limits, and the agent on a broker."""
