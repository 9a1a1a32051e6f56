"""Channels: how a message leaves. Each knows its own protocol and nothing of the others, of policy or of Kafka.

A channel's `send` returns when the other side has accepted the message, and raises `agents.notifier.outcome` errors
otherwise; they carry a stable reason, never a text of the other side.
"""
