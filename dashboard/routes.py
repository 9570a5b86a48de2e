"""Every page of the dashboard, to be mounted by an app at `/`.

The app puts `dashboard` (site.Site) into `app.state`.
"""

from fastapi import APIRouter

from dashboard import (
    asset_routes,
    build_routes,
    deploy_routes,
    job_routes,
    key_routes,
    log_routes,
    login_routes,
    model_routes,
    settings_routes,
    try_routes,
)

router = APIRouter(include_in_schema=False)
for part in (
    asset_routes,
    login_routes,
    model_routes,
    deploy_routes,
    build_routes,
    log_routes,
    try_routes,
    job_routes,
    settings_routes,
    key_routes,
):
    router.include_router(part.router)
