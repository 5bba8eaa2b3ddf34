"""Failures that are no fault of the server, and why: a suite, the name of its test, the reason that the table tells."""

IMAGES = "image input; the model reads text only, is refused images with 400, and the suite cannot be told"
SMALL = "a model of 4 M parameters does not choose the arguments or the words that the test looks for"

REASONS = {
    "schemas-test-suite": {"draft2020-12/pattern:2": "jsonschema cannot judge it: Python's `re` has no \\p{...}"},
    "comply-openai-chat": {"chat-image-input": IMAGES},
    "comply-open-responses": {"image-input": IMAGES},
    "comply-anthropic": {"anth-image-input": IMAGES},
    **{
        f"langchain-{client}": {
            "test_tool_calling": SMALL,
            "test_tool_calling_async": SMALL,
            "test_agent_loop": SMALL,
            "test_unicode_tool_call_integration": SMALL,
            "test_json_mode": SMALL,
            "test_tool_calling_with_no_arguments": SMALL,
            "test_structured_output[typeddict]": SMALL,
            "test_structured_output_async[typeddict]": SMALL,
            # It writes until its context is full.
            "test_structured_output_optional_param": SMALL,
        }
        for client in ["openai", "ollama", "anthropic"]
    },
}
