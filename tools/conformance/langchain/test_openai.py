"""langchain-openai: chats and embeddings."""

import os

from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

ADDRESS = os.environ["HOB_ADDRESS"] + "/v1"


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOpenAI

    @property
    def chat_model_params(self):
        return {"model": "ember", "base_url": ADDRESS, "api_key": "none", "max_retries": 0, "temperature": 0, "stream_usage": True}

    @property
    def supports_json_mode(self):
        return True

    @property
    def supports_image_inputs(self):
        return False

    @property
    def has_tool_choice(self):
        return True


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        # Lengths are for the server to judge: the tables of tokens that the client would use are of other models.
        return {"model": "ember", "base_url": ADDRESS, "api_key": "none", "check_embedding_ctx_length": False}
