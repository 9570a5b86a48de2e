"""What an image is: its format, its size and its mean colour."""

import io

from PIL import Image, UnidentifiedImageError

import panini

Image.MAX_IMAGE_PIXELS = 50_000_000  # a small file can unpack to gigabytes


def predict(inputs):
    return [describe(data) for data in inputs]


def describe(data):
    try:
        image = Image.open(io.BytesIO(data))
        colour = image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    except (UnidentifiedImageError, Image.DecompressionBombError, OSError) as error:
        raise panini.InvalidInput(f"this is no image that can be read: {error}") from error
    return {
        "format": image.format,
        "width": image.width,
        "height": image.height,
        "mean_colour": "#{:02x}{:02x}{:02x}".format(*colour),
    }
