"""The Grafana dashboards and alerts, generated: `python -m tools.dashboards` writes what stands in `deploy/grafana`.

Here belong what a panel shows and how it is drawn. Metrics come from `agents.metrics.catalogue`, recorded series and
alerts from `deploy/prometheus`; a test compares all three.
"""
