"""The official client of Anthropic."""

import anthropic
from anthropic import Anthropic

MODEL = "ember"
QUESTION = [{"role": "user", "content": "Who are you?"}]
WEATHER = [{"role": "user", "content": "What is the weather in Oslo?"}]
# Newer clients know no temperature; the interface does.
STILL = {"temperature": 0}
TOOL = {
    "name": "get_weather",
    "description": "Weather in a city",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string", "maxLength": 20}},
        "required": ["city"],
        "additionalProperties": False,
    },
}


def client(address):
    return Anthropic(base_url=address, api_key="none", max_retries=0)


def refused(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}")


def create(address, **more):
    request = {"model": MODEL, "max_tokens": 40, "messages": QUESTION, "extra_body": STILL, **more}
    return client(address).messages.create(**request)


def test_message(address):
    message = create(address, system="Be kind.")
    assert message.type == "message" and message.stop_reason == "end_turn"
    assert message.content[0].type == "text" and message.usage.output_tokens > 0


def test_system_blocks(address):
    blocks = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    assert create(address, system=blocks).content[0].text == create(address, system="Be kind.").content[0].text


def test_stream(address):
    whole = create(address).content[0].text
    with client(address).messages.stream(model=MODEL, max_tokens=40, messages=QUESTION, extra_body=STILL) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == whole == final.content[0].text
    assert final.stop_reason == "end_turn" and final.usage.output_tokens > 0


def test_raw_events(address):
    events = [event.type for event in create(address, stream=True)]
    assert events[0] == "message_start" and events[-2:] == ["message_delta", "message_stop"]


def test_endings(address):
    assert create(address, max_tokens=2).stop_reason == "max_tokens"
    stopped = create(address, stop_sequences=["small"])
    assert stopped.stop_reason == "stop_sequence" and stopped.stop_sequence == "small"


def test_continued(address):
    messages = [*QUESTION, {"role": "assistant", "content": "I am Ember, the small"}]
    assert create(address, messages=messages).content[0].text.startswith(" model")


def test_tools(address):
    for choice in [{"type": "any"}, {"type": "tool", "name": "get_weather"}, {"type": "auto"}]:
        message = create(address, messages=WEATHER, tools=[TOOL], tool_choice=choice, max_tokens=80)
        call = message.content[-1]
        assert message.stop_reason == "tool_use" and call.name == "get_weather" and "city" in call.input
    none = create(address, messages=WEATHER, tools=[TOOL], tool_choice={"type": "none"})
    assert all(block.type == "text" for block in none.content)


def test_tools_stream(address):
    with client(address).messages.stream(
        model=MODEL, max_tokens=80, messages=WEATHER, tools=[TOOL], tool_choice={"type": "any"}, extra_body=STILL
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_message()
    assert "input_json" in kinds and "city" in final.content[0].input


def test_tool_round(address):
    first = create(address, messages=WEATHER, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=80)
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": "rain"}
    messages = [*WEATHER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}]
    assert create(address, messages=messages, tools=[TOOL]).usage.output_tokens >= 0


def test_count_tokens(address):
    counted = client(address).messages.count_tokens(model=MODEL, messages=QUESTION)
    usage = create(address, max_tokens=1).usage
    assert counted.input_tokens == usage.input_tokens + usage.cache_read_input_tokens


def test_thinking_is_taken(address):
    message = create(address, thinking={"type": "disabled"})
    assert message.content[0].type == "text"


def test_errors(address):
    refused(anthropic.NotFoundError, lambda: create(address, model="none"))
    refused(anthropic.BadRequestError, lambda: create(address, messages=[]))
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
    refused(anthropic.BadRequestError, lambda: create(address, messages=[{"role": "user", "content": [image]}]))
    long = [{"role": "user", "content": "word " * 3000}]
    refused(anthropic.BadRequestError, lambda: create(address, messages=long))


def test_models(address):
    assert MODEL in [model.id for model in client(address).models.list()]
