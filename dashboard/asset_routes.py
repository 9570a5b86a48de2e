"""Static files."""

from fastapi import APIRouter, Request, Response

from dashboard import errors, guards

router = APIRouter(route_class=guards.Page)

FOR_EVER = "public, max-age=31536000, immutable"


@router.get("/static/{name}")
async def static(request: Request, name: str, v: str = "") -> Response:
    """A file; under the address that holds its hash it may be kept for ever."""
    asset = request.app.state.dashboard.assets.get(name)
    if asset is None:
        raise errors.NoSuchPage(f"There is no file {name!r}.")
    headers = {"ETag": f'"{asset.tag}"', "Cache-Control": FOR_EVER if v == asset.tag else "no-cache"}
    if asset.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(asset.content, media_type=asset.media_type, headers=headers)
