"""Every public route of the registry, to be mounted by an app.

The app puts `registry` (service.Registry) and `directory` (wire.directory.Directory) into `app.state`, and answers
wire.problems.Problem.
"""

from fastapi import APIRouter

from registry import admin_routes, log_routes, model_routes, push_routes

router = APIRouter()
router.include_router(model_routes.router)
router.include_router(log_routes.router)
router.include_router(admin_routes.router)
router.include_router(push_routes.router)
