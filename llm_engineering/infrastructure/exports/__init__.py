"""Trained language models for other programs: GGUF for llama.cpp and Ollama, a folder for vLLM and transformers."""

from llm_engineering.infrastructure.exports.folders import Exported, export_folder, export_gguf

__all__ = ["Exported", "export_folder", "export_gguf"]
