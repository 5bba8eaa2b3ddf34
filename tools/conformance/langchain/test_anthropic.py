"""langchain-anthropic: chats."""

import os

from langchain_anthropic import ChatAnthropic
from langchain_tests.integration_tests import ChatModelIntegrationTests

ADDRESS = os.environ["HOB_ADDRESS"]


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatAnthropic

    @property
    def chat_model_params(self):
        return {"model": "ember", "base_url": ADDRESS, "api_key": "none", "max_retries": 0, "temperature": 0, "max_tokens": 200}

    @property
    def supports_image_inputs(self):
        return False
