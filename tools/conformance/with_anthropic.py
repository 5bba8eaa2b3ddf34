"""The official client of Anthropic."""

import asyncio
import json

import anthropic
from anthropic import Anthropic, AsyncAnthropic

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


YES = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}


def test_async_client(address):
    async def ask():
        async with AsyncAnthropic(base_url=address, api_key="none", max_retries=0) as asking:
            answers = [asking.messages.create(model=MODEL, max_tokens=20, messages=QUESTION, extra_body=STILL) for _ in range(4)]
            return [message.content[0].text for message in await asyncio.gather(*answers)]

    assert len(set(asyncio.run(ask()))) == 1


def test_bearer_is_as_good(address):
    asking = Anthropic(base_url=address, auth_token="none", api_key=None, max_retries=0)
    assert asking.messages.create(model=MODEL, max_tokens=5, messages=QUESTION).content


def test_parts_of_a_message(address):
    message = create(address)
    assert message.id.startswith("msg_") and message.role == "assistant" and message.model == MODEL
    assert message.stop_sequence is None
    usage = message.usage
    assert usage.input_tokens >= 0 and usage.cache_creation_input_tokens == 0 and usage.cache_read_input_tokens >= 0


def test_cached_tokens_are_told(address):
    create(address, system="Be kind and short.")
    again = create(address, system="Be kind and short.")
    assert again.usage.cache_read_input_tokens > 0


def test_text_blocks(address):
    messages = [{"role": "user", "content": [{"type": "text", "text": "Who are you?", "cache_control": {"type": "ephemeral"}}]}]
    assert create(address, messages=messages).content[0].text == create(address).content[0].text


def test_many_blocks(address):
    messages = [{"role": "user", "content": [{"type": "text", "text": "Who"}, {"type": "text", "text": "are you?"}]}]
    assert create(address, messages=messages).content


def test_conversation_goes_on(address):
    first = create(address)
    messages = [*QUESTION, {"role": "assistant", "content": first.content}, {"role": "user", "content": "Thanks."}]
    second = create(address, messages=messages)
    total = lambda usage: usage.input_tokens + usage.cache_read_input_tokens
    assert total(second.usage) > total(first.usage)


def test_two_of_a_role(address):
    messages = [{"role": "user", "content": "Hello."}, {"role": "user", "content": "Who are you?"}]
    assert create(address, messages=messages).content


def test_empty_system(address):
    assert create(address, system="").content[0].text == create(address).content[0].text


def test_sampling_is_taken(address):
    body = {"temperature": 0.7, "top_k": 5, "top_p": 0.9, "metadata": {"user_id": "someone"}}
    assert create(address, extra_body=body).content


def test_stop_sequences(address):
    two = create(address, stop_sequences=["zzz", "small"])
    assert two.stop_sequence == "small" and not two.content[0].text.endswith("small")
    assert create(address, stop_sequences=["zzz"]).stop_reason == "end_turn"


def test_stop_sequence_stream(address):
    with client(address).messages.stream(
        model=MODEL, max_tokens=40, messages=QUESTION, stop_sequences=["small"], extra_body=STILL
    ) as stream:
        final = stream.get_final_message()
    assert final.stop_reason == "stop_sequence" and final.stop_sequence == "small"


def test_length_stream(address):
    events = list(create(address, max_tokens=2, stream=True))
    delta = [event for event in events if event.type == "message_delta"][0]
    assert delta.delta.stop_reason == "max_tokens" and delta.usage.output_tokens == 2


def test_blocks_open_and_close(address):
    events = list(create(address, stream=True))
    starts = [event.index for event in events if event.type == "content_block_start"]
    stops = [event.index for event in events if event.type == "content_block_stop"]
    assert starts == stops == list(range(len(starts)))
    assert events[0].message.usage.output_tokens == 0 and events[0].message.content == []


def test_cancel_in_the_middle(address):
    stream = create(address, stream=True, max_tokens=400)
    next(iter(stream))
    stream.close()
    assert create(address).content


def test_two_tools(address):
    other = {**TOOL, "name": "get_time"}
    message = create(address, messages=WEATHER, tools=[TOOL, other], tool_choice={"type": "tool", "name": "get_time"}, max_tokens=80)
    assert message.content[-1].name == "get_time"


def test_no_parallel_calls(address):
    choice = {"type": "any", "disable_parallel_tool_use": True}
    message = create(address, messages=WEATHER, tools=[TOOL], tool_choice=choice, max_tokens=120)
    assert len([block for block in message.content if block.type == "tool_use"]) == 1


def test_call_ids(address):
    message = create(address, messages=WEATHER, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=160)
    ids = [block.id for block in message.content if block.type == "tool_use"]
    assert ids and len(set(ids)) == len(ids) and all(id.startswith("toolu_") for id in ids)


def test_tool_stream_by_hand(address):
    events = list(create(address, messages=WEATHER, tools=[TOOL], tool_choice={"type": "any"}, stream=True, max_tokens=80))
    parts = [event.delta.partial_json for event in events if event.type == "content_block_delta" and event.delta.type == "input_json_delta"]
    assert "city" in json.loads("".join(parts))
    assert [event for event in events if event.type == "message_delta"][0].delta.stop_reason == "tool_use"


def test_tool_with_error(address):
    first = create(address, messages=WEATHER, tools=[TOOL], tool_choice={"type": "any"}, max_tokens=80)
    blocks = [{"type": "text", "text": "no connection"}]
    result = {"type": "tool_result", "tool_use_id": first.content[0].id, "content": blocks, "is_error": True}
    messages = [*WEATHER, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result, {"type": "text", "text": "Why?"}]}]
    assert create(address, messages=messages, tools=[TOOL]).role == "assistant"


def test_tool_that_keeps_to_an_enumeration(address):
    schema = {"type": "object", "properties": {"unit": {"enum": ["C", "F"]}}, "required": ["unit"], "additionalProperties": False}
    tool = {"name": "set_unit", "input_schema": schema}
    message = create(address, tools=[tool], tool_choice={"type": "any"}, max_tokens=60)
    assert message.content[-1].input["unit"] in ["C", "F"]


def test_output_format(address):
    message = create(address, output_config={"format": {"type": "json_schema", "schema": YES}}, max_tokens=60)
    assert isinstance(json.loads(message.content[0].text)["yes"], bool)


def test_output_format_stream(address):
    events = create(address, output_config={"format": {"type": "json_schema", "schema": YES}}, max_tokens=60, stream=True)
    text = "".join(event.delta.text for event in events if event.type == "content_block_delta")
    assert isinstance(json.loads(text)["yes"], bool)


def test_count_with_tools_and_system(address):
    count = client(address).messages.count_tokens
    bare = count(model=MODEL, messages=QUESTION).input_tokens
    with_system = count(model=MODEL, messages=QUESTION, system="Be kind.").input_tokens
    with_tools = count(model=MODEL, messages=QUESTION, tools=[TOOL]).input_tokens
    assert bare < with_system < with_tools


def test_count_errors(address):
    count = client(address).messages.count_tokens
    refused(anthropic.NotFoundError, lambda: count(model="none", messages=QUESTION))
    refused(anthropic.BadRequestError, lambda: count(model=MODEL, messages=[]))


def test_errors_are_in_its_shape(address):
    error = refused(anthropic.NotFoundError, lambda: create(address, model="none"))
    assert error.body["type"] == "error" and error.body["error"]["type"] == "not_found_error"
    assert error.request_id


def test_wrong_fields(address):
    for wrong in [{"max_tokens": 0}, {"temperature": 2}, {"tools": [{}]}, {"tool_choice": {"type": "any"}}, {"stop_sequences": [1]}]:
        refused(anthropic.BadRequestError, lambda: create(address, extra_body=wrong))
    refused(anthropic.BadRequestError, lambda: create(address, messages=[{"role": "nobody", "content": "x"}]))
    refused(anthropic.BadRequestError, lambda: create(address, tools=[{"type": "web_search_20250305", "name": "web_search"}]))


def test_unknown_route(address):
    refused(anthropic.NotFoundError, lambda: client(address).get("/v1/messages/nothing", cast_to=object))


def test_raw_response(address):
    raw = client(address).messages.with_raw_response.create(model=MODEL, max_tokens=2, messages=QUESTION)
    assert raw.headers["request-id"] and raw.parse().content


def test_beta_is_taken(address):
    message = client(address).beta.messages.create(model=MODEL, max_tokens=5, messages=QUESTION, betas=["something-2025-01-01"])
    assert message.content
