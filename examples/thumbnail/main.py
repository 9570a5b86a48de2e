"""An image made small: bytes in, PNG bytes out."""

import io

from PIL import Image, UnidentifiedImageError

import panini

Image.MAX_IMAGE_PIXELS = 50_000_000  # a small file can unpack to gigabytes
LARGEST = (32, 32)


def predict(inputs):
    return [shrink(data) for data in inputs]


def shrink(data):
    try:
        image = Image.open(io.BytesIO(data)).convert("RGBA")
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise panini.InvalidInput(f"this is no image that can be read: {error}") from error
    image.thumbnail(LARGEST)
    made = io.BytesIO()
    image.save(made, format="PNG")
    return made.getvalue()
