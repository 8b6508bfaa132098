"""The agents that work without a model."""

from omnimemory.agents.extractive.agents import ExtractiveAgents

__all__ = ["ExtractiveAgents"]
