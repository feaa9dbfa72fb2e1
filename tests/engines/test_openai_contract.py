"""The scripted server, reached through the OpenAI-compatible adapter, held to what every engine promises."""

import pytest

from naestro.engines.openai import OpenAIEngine
from tests.engines.contract import BAD_SCHEMA, TOO_MANY_WORDS, EngineContract
from tests.support.answers import say, say_json, words_of
from tests.support.scripted_server import Received, ScriptedServer

ANSWER = "A compiler turns the text of a program into what a machine runs, and says where the text is wrong."


def schema_of(request: Received) -> object:
    """The JSON schema that a request asks for, None without one."""
    return request.body.get("response_format", {}).get("json_schema", {}).get("schema")


class TestScriptedServer(EngineContract):
    @pytest.fixture
    def engine(self, scripted_server: ScriptedServer, openai_engine: OpenAIEngine) -> OpenAIEngine:
        too_long = words_of("llama.cpp", "context too long")
        scripted_server.otherwise(say(ANSWER))
        scripted_server.when(lambda request: schema_of(request) is not None, say_json({"winner": "B"}))
        scripted_server.when(
            lambda request: schema_of(request) == BAD_SCHEMA, words_of("llama.cpp", "bad schema")
        )
        scripted_server.when(lambda request: len(request.last.split()) >= TOO_MANY_WORDS, too_long)
        return openai_engine
