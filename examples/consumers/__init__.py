"""Readers of `interventions` to start from; `docs/consuming-interventions.md` explains them.

`tickets` keeps what is true now in SQLite, `with_aiokafka` and `with_faststream` feed it from Kafka, `java` does the
same in another language, and `samples` publishes the golden records, so that there is something to read.
"""
