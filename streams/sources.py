"""Listening to the four fact topics that feed a journal partition, for `data.source_silent`: the one rule that looks
across programs.

What is heard stands in a record per topic; episodes and timers stand in the record of the program `*`, which is no
program.
"""

from functools import lru_cache
from typing import Final
from zlib import crc32

from streams.clock import FACT_TOPICS
from streams.detectors.renewal import hear as hear_fact
from streams.detectors.renewal import is_same_event, source_due_ms, start_source
from streams.inhibition import ACROSS
from streams.judging import Judging
from streams.rule import Moment
from streams.rules import RULES_BY_ID
from streams.rules.data_source_silent import DataSourceSilentParams, detector_of
from streams.state.source import MAX_SILENCES, SourceState
from streams.state.table import source_key

_RULE: Final = RULES_BY_ID["data.source_silent"]
_KEYS: Final = {topic: source_key(topic) for topic in FACT_TOPICS}


@lru_cache(maxsize=1 << 14)
def _number_of(program_id: str) -> int:
    return crc32(program_id.encode())


def hear(judging: Judging, topic: str, program_id: str, arrived_ms: int) -> None:
    """A fact of one of the fact topics arrived."""
    table, key = judging.state.table, _KEYS[topic]
    source = table.hot.get(key) or table.get(key)
    assert source is None or isinstance(source, SourceState)
    if source is not None and is_same_event(source.stream, arrived_ms, _number_of(program_id)):
        table.dirty[key] = None  # nearly always
        return
    params = judging.rules_for(ACROSS).params(_RULE, ACROSS)
    if not params.enabled:
        return
    assert isinstance(params, DataSourceSilentParams)
    if source is None:
        source = SourceState(stream=start_source(arrived_ms))
        table.put(key, source)
    table.touch(key)
    rhythm = source.stream.rhythm
    last_ms, was_silent = rhythm.last_ms, rhythm.alarm_ms > 0
    # Partitions of one topic are read side by side, so a fact may arrive a little before the one heard last.
    detector = detector_of(params)
    hear_fact(source.stream, max(arrived_ms, last_ms), _number_of(program_id), detector)
    if rhythm.last_ms == last_ms:
        return
    view = judging.view(ACROSS)
    view.program.journal_partition = judging.state.number
    if was_silent and view.program.open_episode(_RULE.code, topic) is not None:
        source.silences = [*source.silences, (last_ms, rhythm.last_ms)][-MAX_SILENCES:]
    look_ms, due_ms = view.program.timers.get(_RULE.code), source_due_ms(source.stream, detector)
    if not was_silent:
        if look_ms is not None and (due_ms is None or look_ms <= due_ms):
            return  # it is looked at early enough as it is
        if look_ms is None and due_ms is None and not view.program.episodes:
            return  # no source is known well enough to be missed
    moment = Moment(arrived_ms, judging.state.clock.now_ms)
    judging.begin()
    judging.judge_record(_RULE, view, view.program_key, view.program, moment)
    judging.follow_up(moment)
