"""The wire contract as an AsyncAPI 3 document, generated from the catalogue and the models.

``python -m schemas.asyncapi`` rewrites `asyncapi.json` beside this module; a test keeps the two from drifting apart.
Only that last line touches a file: `document` is a function of the code alone.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from schemas.base import MAX_VALUE_BYTES
from schemas.ids import ID_PATTERN
from schemas.interventions import CloudEventHeaders
from schemas.journal import ENTRY_KINDS
from schemas.topics import CATALOGUE, HEADERS, Topic

DOCUMENT: Final = Path(__file__).with_name("asyncapi.json")

Tree = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_ABOUT: Final = f"""\
Ebb watches mentoring pairs and says which of them need a human, with evidence.

Values are JSON objects in UTF-8, at most {MAX_VALUE_BYTES} bytes; keys are UTF-8 text. Instants are RFC 3339 with an \
offset; Ebb keeps milliseconds UTC. Ids match `{ID_PATTERN}` and are pseudonyms. Readers ignore unknown fields; a \
missing required field, a wrong type (4.0 is no integer), NaN or Infinity, a naive time, an id of the wrong shape or a \
duplicate key makes a bad record, which goes to `dead-letters` with its original bytes.

Addresses are shown without the topic prefix of an installation (`EBB_TOPIC_PREFIX`). Producers should key by \
`program_id`; on compacted topics the key must be the one stated. `journal`, `interventions` and `state` have the same \
number of partitions and use Kafka's murmur2 partitioner (librdkafka: `partitioner=murmur2_random`)."""

_TOMBSTONES: Final = {
    "programs": ("ProgramDeleted", "A null value: the program has ended."),
    "pairs": ("PairDeleted", "A null value: the pair is closed, for reason `other`."),
    "participants": ("ParticipantErased", "A null value: the participant is to be erased everywhere."),
}
_OPAQUE: Final = {
    "state": ("StateRow", "One row of the engine's memory; its form is ours alone and may change."),
    "ingest-control": ("IngestControl", "What ingest workers tell one another; its form is ours alone and may change."),
    "dead-letters": ("DeadLetter", "The original bytes, untouched; they need not be JSON."),
}
# Settings the Kafka binding knows by name and type; the rest of a topic's configuration is passed as it is.
_NUMBERS: Final = frozenset({"retention.ms", "delete.retention.ms", "max.message.bytes"})


def document() -> Tree:
    """Generate the whole document; equal code gives equal trees."""
    names = _message_names()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Ebb",
            "version": "1.0.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {topic.name: _channel(topic, names[topic.name]) for topic in CATALOGUE},
        "operations": {_operation_name(topic): _operation(topic, names[topic.name]) for topic in CATALOGUE},
        "components": {
            "messages": {name: message for topic in CATALOGUE for name, message in _messages(topic)},
            "schemas": _schemas(),
        },
    }


def document_text() -> str:
    """Write the document as it is committed: indented JSON with a line break at the end."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2).decode() + "\n"


def _message_names() -> dict[str, list[str]]:
    return {topic.name: [name for name, _ in _messages(topic)] for topic in CATALOGUE}


def _channel(topic: Topic, messages: Iterable[str]) -> Tree:
    return {
        "address": topic.name,
        "title": topic.name,
        "description": topic.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {name: _setting(name, value) for name, value in topic.settings().items()},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _setting(name: str, value: str) -> str | int | list[str]:
    if name == "cleanup.policy":
        return [value]
    return int(value) if name in _NUMBERS else value


def _operation_name(topic: Topic) -> str:
    return f"{'receive' if topic.direction == 'inbound' else 'send'}-{topic.name}"


def _operation(topic: Topic, messages: Iterable[str]) -> Tree:
    channel = f"#/channels/{topic.name}"
    return {
        "action": "receive" if topic.direction == "inbound" else "send",
        "channel": {"$ref": channel},
        "summary": topic.about,
        "messages": [{"$ref": f"{channel}/messages/{name}"} for name in messages],
    }


def _messages(topic: Topic) -> list[tuple[str, Tree]]:
    """Return the messages of a topic, by their names in the document."""
    found = [(model.__name__, _message(topic, model)) for model in topic.models]
    if topic.kind == "journal":
        payloads = [{"$ref": f"{_SCHEMAS}Journal{kind.__name__}"} for kind in ENTRY_KINDS]
        found.append(("JournalEntry", _described("JournalEntry", topic, {"oneOf": payloads}, topic.about)))
    if topic.name in _TOMBSTONES:
        name, about = _TOMBSTONES[topic.name]
        found.append((name, _described(name, topic, {"type": "null"}, about)))
    if topic.name in _OPAQUE:
        name, about = _OPAQUE[topic.name]
        message = _described(name, topic, {"description": about}, about) | {"contentType": "application/octet-stream"}
        found.append((name, message))
    return found


def _message(topic: Topic, model: type[BaseModel]) -> Tree:
    about = (model.__doc__ or "").strip().split("\n\n")[0]
    return _described(_wire_type(model) or model.__name__, topic, {"$ref": _SCHEMAS + model.__name__}, about)


def _described(name: str, topic: Topic, payload: Tree, about: str) -> Tree:
    message: Tree = {"name": name, "title": name, "summary": about, "payload": payload}
    if topic.name == "interventions":
        message["headers"] = {"$ref": f"{_SCHEMAS}{CloudEventHeaders.__name__}"}
    elif topic.name in HEADERS:
        message["headers"] = {"$ref": f"{_SCHEMAS}{HEADERS[topic.name].__name__}"}
    key = "/".join(topic.key)
    if key:
        must = "Must be" if topic.key_is_checked or topic.direction != "inbound" else "Should be"
        form = {"type": "string", "description": f"{must} `{key}`."}
        message["bindings"] = {"kafka": {"key": form, "bindingVersion": "0.5.0"}}
    return message


def _wire_type(model: type[BaseModel]) -> str | None:
    """Return the `type` of an inbound model, such as ``rating.submitted``."""
    field = model.model_fields.get("type")
    if field is None:
        return None
    options: tuple[str, ...] = getattr(field.annotation, "__args__", ())
    return options[0] if len(options) == 1 else None


def _schemas() -> Tree:
    models: list[type[BaseModel]] = [model for topic in CATALOGUE for model in topic.models]
    models += [CloudEventHeaders, *HEADERS.values()]
    _, edge = models_json_schema([(model, "validation") for model in models], ref_template=_SCHEMAS + "{model}")
    _, journal = msgspec.json.schema_components(ENTRY_KINDS, ref_template=_SCHEMAS + "Journal{name}")
    named_journal = {f"Journal{name}": _as_journalled(schema) for name, schema in journal.items()}
    return dict(sorted((edge["$defs"] | named_journal).items()))


def _as_journalled(schema: Tree) -> Tree:
    """Show a fact as it stands in the journal: without its comment."""
    journalled: Tree = _without_discriminator(schema)
    if "type" in journalled.get("properties", {}):
        journalled["properties"].pop("comment", None)
    return journalled


def _without_discriminator(tree: Any) -> Any:
    """Drop OpenAPI's discriminators: AsyncAPI's look otherwise, and each `type` is a constant of its schema anyway."""
    if isinstance(tree, dict):
        return {name: _without_discriminator(item) for name, item in tree.items() if not _is_discriminator(name, item)}
    return [_without_discriminator(item) for item in tree] if isinstance(tree, list) else tree


def _is_discriminator(name: str, item: object) -> bool:
    return name == "discriminator" and isinstance(item, dict) and "propertyName" in item


if __name__ == "__main__":
    DOCUMENT.write_text(document_text(), encoding="utf-8")
