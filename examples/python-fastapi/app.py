"""An API of two routes."""

from fastapi import FastAPI

app = FastAPI()


@app.get("/health")
def health() -> str:
    return "ok"


@app.get("/")
def greeting() -> dict[str, str]:
    return {"message": "hello from FastAPI"}
