"""What every process answers about itself: whether it lives, and whether it can do its work."""

import fastapi
from fastapi.responses import JSONResponse, Response

from wire import metrics

router = fastapi.APIRouter(tags=["process"])


@router.get("/healthz", summary="Whether the process lives")
async def healthz() -> dict[str, str]:
    """Always ok while the process answers."""
    return {"status": "ok"}


@router.get("/readyz", summary="Whether the process can do its work", responses={503: {"description": "Not yet"}})
async def readyz(request: fastapi.Request) -> JSONResponse:
    """Keys and models are known, and Kafka answered where jobs are accepted. While results have no room it says so and
    stays ready: what was accepted before is still answered."""
    state = request.app.state
    missing = []
    if not state.directory.loaded:
        missing.append("registry")
    if hasattr(state, "producer") and not state.producer.connected:
        missing.append("kafka")
    body: dict[str, object] = {"status": "waiting", "for": missing} if missing else {"status": "ok"}
    if hasattr(state, "budget") and state.budget.full:
        body["refusing"] = "jobs: results have no room"
    return JSONResponse(body, status_code=503 if missing else 200)


@router.get("/metrics", summary="Prometheus metrics of this process", include_in_schema=False)
async def prometheus() -> Response:
    """Every metric is listed in wire/metrics.py."""
    return Response(metrics.text(), media_type=metrics.CONTENT_TYPE)
