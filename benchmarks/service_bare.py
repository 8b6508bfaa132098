"""The server without us: the same bytes from a bare Starlette route on the same uvicorn.

``python -m benchmarks.service_bare PORT ANSWER_FILE``
"""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


def main() -> None:
    answer = Path(sys.argv[2]).read_bytes()

    async def give(request: Request) -> Response:
        await request.body()
        return Response(answer, media_type="application/json")

    routes = [Route("/api/v1/memories/query", give), Route("/health/ready", give)]
    routes.append(Route("/api/v1/memory-batcher/messages", give, methods=["POST"]))
    uvicorn.run(Starlette(routes=routes), port=int(sys.argv[1]), log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
