"""Which language a text is in, by its small words. Plain Python: no packages, no weights file."""

import panini

SMALL_WORDS = {
    "english": {"the", "and", "is", "of", "to", "in", "that", "it", "was", "for", "with", "are", "this", "not"},
    "german": {"der", "die", "das", "und", "ist", "nicht", "ein", "eine", "zu", "mit", "auf", "den", "im", "von"},
    "french": {"le", "la", "les", "et", "est", "une", "des", "pas", "que", "dans", "pour", "sur", "avec", "du"},
    "spanish": {"el", "los", "las", "y", "es", "una", "que", "en", "no", "por", "con", "para", "del", "se"},
}


def predict(inputs):
    return [language(value) for value in inputs]


def language(value):
    if not isinstance(value, dict) or not isinstance(value.get("text"), str):
        raise panini.InvalidInput('send {"text": "…"}')
    words = [word.strip(".,;:!?\"'()").lower() for word in value["text"].split()]
    hits = {name: sum(word in small for word in words) for name, small in SMALL_WORDS.items()}
    best = max(hits, key=hits.get)
    return {"language": best if hits[best] else None, "words": len(words), "hits": hits}
