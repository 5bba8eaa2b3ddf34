"""langchain-ollama: chats and embeddings."""

import os

from langchain_ollama import ChatOllama, OllamaEmbeddings
from langchain_tests.integration_tests import ChatModelIntegrationTests, EmbeddingsIntegrationTests

ADDRESS = os.environ["HOB_ADDRESS"]


class TestChat(ChatModelIntegrationTests):
    @property
    def chat_model_class(self):
        return ChatOllama

    @property
    def chat_model_params(self):
        return {"model": "ember", "base_url": ADDRESS, "temperature": 0}

    @property
    def supports_json_mode(self):
        return True

    @property
    def has_tool_choice(self):
        # The interface of Ollama has no field for it.
        return False

    @property
    def supports_image_inputs(self):
        return False


class TestEmbeddings(EmbeddingsIntegrationTests):
    @property
    def embeddings_class(self):
        return OllamaEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": "ember", "base_url": ADDRESS}
