"""The REST API (extra ``server``); ``omnimemory.api.server:app`` is what uvicorn runs."""
