"""Settings from environment and file."""

from pathlib import Path

import pytest

from agents.settings import Settings, SettingsError, load, unknown_variables


def _problems(environment: dict[str, str], folder: Path) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(environment, folder)
    return caught.value.problems


def test_without_anything_set_the_defaults_hold(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    assert (settings.brokers, settings.topic_prefix, settings.host, settings.clock) == (
        "127.0.0.1:9092",
        "",
        "127.0.0.1",
        "wall",
    )
    assert settings.kafka.security_protocol == "PLAINTEXT"


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "ebb.toml").write_text('brokers = "file:1"\nport = 1\n[kafka]\nclient_id = "us"\n')
    settings = load({"EBB_BROKERS": "environment:2"}, tmp_path)
    assert (settings.brokers, settings.port, settings.kafka.client_id) == ("environment:2", 1, "us")


def test_an_unknown_name_in_the_file_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "ebb.toml").write_text('brocers = "a:1"\n[kafka]\nca_fil = "x"\n')
    problems = _problems({}, tmp_path)
    assert problems == [
        "ebb.toml: brocers is no setting, did you mean brokers?",
        "ebb.toml: kafka.ca_fil is no setting, did you mean kafka_ca_file?",
    ]


def test_a_name_set_twice_in_the_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ebb.toml").write_text('kafka_client_id = "a"\n[kafka]\nclient_id = "b"\n')
    assert _problems({}, tmp_path) == ["ebb.toml: kafka.client_id is set twice."]


def test_a_file_that_is_no_toml_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "ebb.toml").write_text("brokers = ")
    assert "ebb.toml cannot be read" in _problems({}, tmp_path)[0]


def test_every_problem_is_named_by_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "ebb.toml").write_text('clock = "sun"\n')
    problems = _problems({"EBB_PORT": "99999", "EBB_TOPIC_PREFIX": "no spaces"}, tmp_path)
    assert [problem.partition(": ")[0] for problem in problems] == [
        "EBB_TOPIC_PREFIX",
        "EBB_PORT",
        "ebb.toml: clock".partition(": ")[0],
    ]
    assert "ebb.toml: clock: " in problems[2]


def test_a_port_put_there_by_kubernetes_is_explained(tmp_path: Path) -> None:
    assert "Kubernetes" in _problems({"EBB_PORT": "tcp://10.0.0.1:80"}, tmp_path)[0]


def test_kafka_settings_that_do_not_fit_together_are_refused(tmp_path: Path) -> None:
    assert "sasl_mechanism" in _problems({"EBB_KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, tmp_path)[0]


def test_a_file_that_is_not_there_is_named_by_its_variable(tmp_path: Path) -> None:
    environment = {"EBB_KAFKA_SECURITY_PROTOCOL": "SSL", "EBB_KAFKA_CA_FILE": str(tmp_path / "none.pem")}
    assert _problems(environment, tmp_path) == ["EBB_KAFKA_CA_FILE: there is no such file."]


def test_a_password_in_the_environment_is_refused_and_not_repeated(tmp_path: Path) -> None:
    problems = _problems({"EBB_KAFKA_SASL_PASSWORD": "hunter2"}, tmp_path)
    assert "EBB_KAFKA_SASL_PASSWORD_FILE" in problems[0]
    assert "hunter2" not in str(problems)


def test_values_are_not_repeated_in_complaints(tmp_path: Path) -> None:
    assert "s3cret" not in str(_problems({"EBB_LOG_LEVEL": "s3cret", "EBB_LINGER_MS": "s3cret"}, tmp_path))


def test_the_shown_form_hides_whom_we_log_in_as(tmp_path: Path) -> None:
    secret = tmp_path / "the-password"
    secret.write_text("hunter2\n")
    environment = {
        "EBB_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
        "EBB_KAFKA_SASL_MECHANISM": "PLAIN",
        "EBB_KAFKA_SASL_USERNAME": "somebody",
        "EBB_KAFKA_SASL_PASSWORD_FILE": str(secret),
    }
    settings = load(environment, tmp_path)
    assert settings.kafka.password() == "hunter2"
    for shown in (repr(settings), str(settings)):
        assert not {"hunter2", "somebody", "the-password"} & set(shown.replace("'", " ").replace("/", " ").split())


def test_an_empty_variable_means_nothing_is_set(tmp_path: Path) -> None:
    assert load({"EBB_KAFKA_CA_FILE": "", "EBB_DATA_DIR": ""}, tmp_path).kafka_ca_file is None


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = load({}, tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]


def test_a_misspelt_variable_is_noticed_and_a_strange_one_is_not() -> None:
    hints = unknown_variables({"EBB_BROKER": "x", "EBB_SERVICE_HOST": "y", "EBB_PORT": "1", "PATH": "z"})
    assert hints == ["EBB_BROKER is no setting, did you mean EBB_BROKERS?"]


def test_every_setting_is_described() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
