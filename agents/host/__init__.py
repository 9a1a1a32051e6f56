"""The host: everything that knows the insides of Faust and aiokafka.

Belongs here: the chunk-delivering consumer, lanes (one per journal partition: own, recover, apply, commit), the
watchdog, start-up checks, and the settings every Kafka client is opened with. What an entry *means* does not belong
here: the host hands bytes to a `Fold` (streams/engine.py implements it) and stores the bytes it gives back. Each inside
fact relied on has a test in tests/agents/host/test_contracts.py, so that an upgrade of either library fails loudly.
"""
