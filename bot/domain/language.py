"""Which of the network's languages a message is in, and whether it asks something.

Lean on purpose: function words and a few spellings tell French, Dutch and English apart in a
sentence. Shorter texts, code and smileys are not guessed at; whoever calls falls back on what the
person chose. bot/services/language.py adds a model to this, which knows one word from another.
"""

import re
from collections.abc import Collection, Iterator

_ENOUGH = 2.0
"""Points a text must have, and by how much they must outdo the next language's."""
_LEAD = 1.5
_PRIOR = 1.0
_FEW = 3
"""Words below which nothing is asked that an expert could answer."""


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


FUNCTION_WORDS = {
    "fr": _listed(
        "alors après au aucun aujourd aussi autre autres aux avec avez avoir avons beaucoup bien "
        "bonjour bonsoir ce cela ces cet cette ceux chez comme comment connaissez connait connaît "
        "contre d dans de demain depuis des donc du déjà elle elles en encore entre es est et eu "
        "fait faut hier ici il ils j jamais je l la le les leur leurs lui là ma mais merci mes "
        "moi mon même n ne nos notre nous on ont ou où par parce pas pendant peu peut peux plus "
        "plusieurs pour pourquoi pouvez qu quand que quel quelle quelles quelqu quels qui quoi s "
        "sa salut sans se ses si soit son sont sous suis sur ta tes toi ton tous tout toute "
        "toutes trop très tu un une vers voici voilà voir vos votre vous y à ça était été être"
    ),
    "nl": _listed(
        "aan af al alle alleen allemaal als altijd andere bedankt ben bent bij binnen dag dan "
        "dank dat de der deze die dit doen door dus een eens eerst en er even ga gaan gaat geen "
        "geweest gisteren goed goede graag groeten had hallo heb hebben hebt heeft het hier hoe "
        "hun ik in is ja jaar je jij jouw jullie kan kent kunnen kunt maar mag meer met mij mijn "
        "moet moeten morgen na naar naast niemand niet niets nieuwe nodig nog nu of om omdat ons "
        "onze ook op over re samen sinds te tegen ten tot tussen u uit uw van vanaf vandaag veel "
        "vind voor vraag waar waarom wanneer was wat we weet wel welk welke werd wie wij wil "
        "worden wordt zal ze zeer zie zij zijn zo zoek zoeken zonder zou zouden zullen"
    ),
    "en": _listed(
        "a about after all also am an and any anybody anyone are as at be because been before "
        "between but by can could did do does for from get good had has have he hello her here hi "
        "his how i if in is it its just know let like looking many me more my need new no not now "
        "of on one only or other our out over please re s see she should so some somebody someone "
        "still t thank thanks that the their them then there these they this those to today "
        "tomorrow too under us ve very was we were what when where which who whose why will with "
        "without would yesterday yet you your"
    ),
}
_SPELLINGS = {
    "fr": re.compile(r"[àâçèêîôùûœ]|ée?s?\b|\b(?:l|d|j|qu|n|c|s)'|eaux?\b|tion(?:nel|s?\b)"),
    "nl": re.compile(r"ij|aa|uu|ee[lnmrk]|oo[rnmp]|sch|heid\b|\bge\w+[dt]\b|lijk"),
    "en": re.compile(r"th|\bwh|ing\b|sh|'(?:s|t|re|ve|ll|m)\b|ough|ly\b"),
}
_SPELLING_POINTS = 0.35

_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTED_LINE = re.compile(r"^[ \t]*>.*$", re.MULTILINE)
# Anybody may write anything: what may repeat without an end in sight is bounded, or one message of
# 60,000 opening quotes would keep the process busy for minutes.
_QUOTED_SPAN = re.compile(r'«[^«»]{0,999}»|“[^“”]{0,999}”|„[^„“”]{0,999}[“”]|"[^"\n]{0,999}"')
_ADDRESS = re.compile(
    r"\b(?:https?://|www\.)\S+|[@#!][^\s:@#!]{1,255}:[\w.-]+|[^\s@]{1,64}@[^\s@]{1,255}"
)
_WORD = re.compile(r"[^\W\d_]+")
_SENTENCE = re.compile(r"[^.!?…\n]+[.!?…]*")
_GREETING = re.compile(
    r"\s*(?:bonjour|bonsoir|salut|coucou|hello|hallo|hi|hey|dear|cher|chère|beste|dag|hoi|"
    r"goede?(?:morgen|middag|avond|dag)|good (?:morning|afternoon|evening))\b"
    r"(?:\s+(?:à|a) (?:tous|toutes)(?: et (?:à )?(?:tous|toutes))?|\s+\w+){0,2}\s*[,:;–-]\s*"
)
_LEAD_IN = re.compile(
    r"\s*(?:(?:question|vraag|vraagje|petite question|quick question|s'il vous plaît|svp|please|"
    r"et|mais|en|maar|and|but|so|dus|donc|alors|voilà)\b[\s,:–-]*)"
)
_OPENINGS = {
    "fr": re.compile(
        r"est-ce qu|qu'est-ce|quelqu'un (?:connaît|connait|sait|a|aurait|peut|pourrait|serait)\b"
        r"|(?:qui|lequel|laquelle) (?:connaît|connait|sait|peut|pourrait|a|aurait|propose)\b"
        r"|(?:où|comment|pourquoi|combien|quel|quelle|quels|quelles)\b"
        r"|(?:connaissez|savez|avez|auriez|pouvez|pourriez|cherchez|faut|peut|y a|sait)-"
        r"|(?:on|nous|je|j'|mon entreprise|notre entreprise) ?(?:re)?cherch(?:e|ons|ait)\b"
        r"|(?:nous sommes |je suis )?à la recherche d"
        r"|(?:je (?:voudrais|souhaite|souhaiterais)|j'aimerais|nous (?:voudrions|aimerions)) "
        r"(?:savoir|connaître|comprendre|trouver)\b|je me demande\b"
        r"|(?:j'ai|nous avons|on a) besoin d|(?:une|des) idées? (?:de|pour|sur)\b"
    ),
    "nl": re.compile(
        r"(?:wie|wat|welke?|waar|hoe(?:veel)?|waarom|wanneer) "
        r"(?:kent|weet|heeft|hebben|kan|kunnen|zou|zouden|wil|is|zijn|vind|vinden|moet|moeten"
        r"|werkt|doet|doen|bestaat|bestaan|ken|kunt|bedrijf|bedrijven|subsidies?|steun|partner)\b"
        r"|(?:kent|weet|heeft|kan|zou|is) (?:er )?(?:iemand|u|jij|één van jullie)\b"
        r"|(?:weet|kent|kunt|zou|heeft|hebt) (?:u|jij|je|jullie)\b"
        r"|(?:bestaat|bestaan|is|zijn) er\b|iemand (?:die|een idee|ervaring)\b"
        r"|(?:wij|we|ik) (?:zoek(?:en)?|zijn op zoek|ben op zoek)\b|op zoek naar\b|gezocht:"
        r"|(?:ik vraag me af|wij vragen ons af|we vragen ons af)\b"
        r"|(?:ik zou|we zouden|wij zouden)(?: \w+){0,2} (?:weten|vinden)\b"
        r"|(?:ik heb|we hebben|wij hebben)(?: \S+){1,6} nodig\b"
    ),
    "en": re.compile(
        r"(?:does|do|did|can|could|has|have|would|will|is|are|should|may) "
        r"(?:any ?one|any ?body|some ?one|some ?body|you|we|i|there|it)\b"
        r"|any ?(?:one|body) (?:know|knows|have|has|here|can|able|who|with|familiar|tried|using)\b"
        r"|who (?:knows|can|could|has|would|is|offers)\b"
        r"|(?:where|how) (?:can|could|do|does|to|is)\b"
        r"|(?:what|which|why|when|how many|how much)(?:'s)? "
        r"(?:is|are|do|does|can|would|should|companies|company|labs?|grants?|calls?|funding)\b"
        r"|(?:we|i|my company|our company)(?:'re|'m| are| am| is)? (?:also |still |currently )?"
        r"(?:looking for|seeking|searching for|look for|in search of)\b|(?:looking|searching) for\b"
        r"|i wonder\b|(?:i'd|we'd|i would|we would) (?:like|love) to (?:know|find|understand)\b"
        r"|(?:we|i) need (?:a|an|some|help|advice|someone|somebody)\b|any (?:idea|ideas|tips)\b"
    ),
}
_COURTESY = re.compile(
    r"(?:(?:comment )?(?:ça|ca) va|comment allez-vous|tout va bien|ok pour (?:tous|tout le monde)|"
    r"how are you(?: all| doing)?|how's it going|what's up|all good|you know what|"
    r"hoe gaat het(?: met (?:jullie|je|u|iedereen))?|alles goed(?: met (?:jullie|je|u|iedereen))?)"
    r"(?: (?:aujourd'hui|today|vandaag))?\W*"
)
_TAG = re.compile(
    r"(?:n'est-ce pas|non|hein|pas vrai|d'accord|toch|hè|niet waar|nietwaar|right|ok|okay|"
    r"(?:is|are|was|were|do|does|did|has|have|can|could|will|would|should)n't "
    r"(?:it|they|we|you|he|she|there))\W*"
)


def guess(text: str, languages: Collection[str], prior: str | None = None) -> str | None:
    """The language the text is in, or None when it does not show.

    ``prior``, a language the writer is known for, tips the scales but never decides alone.
    """
    said = spoken(text)
    points = {each: points_of(said, each) for each in languages if each in FUNCTION_WORDS}
    if prior is not None and points.get(prior):
        points[prior] += _PRIOR
    ranked = sorted(points, key=lambda each: -points[each])
    if not ranked or points[ranked[0]] < _ENOUGH:
        return None
    if len(ranked) > 1 and points[ranked[0]] < points[ranked[1]] * _LEAD:
        return None
    return ranked[0]


def locale_from(tag: str) -> str:
    """The language of a tag as clients send them: "fr" of "fr-BE" or "fr_BE.UTF-8"."""
    return re.split(r"[-_.@]", tag.strip().lower(), maxsplit=1)[0]


def is_question_like(text: str, language: str | None = None) -> bool:
    """Whether somebody seems to want an answer.

    With ``language``, a sentence without a question mark must open as questions do in it. Commands,
    quotes, bare links, greetings and “isn't it?” are no questions.
    """
    if text.lstrip().startswith("!"):
        return False
    openings = [_OPENINGS[language]] if language in _OPENINGS else list(_OPENINGS.values())
    said = _QUOTED_SPAN.sub(" x ", spoken(text))
    return any(_asks(sentence, openings) for sentence in _sentences(said))


def spoken(text: str) -> str:
    """What the writer said themselves, in small letters: no code, no quoted lines, no addresses."""
    for unspoken in (_CODE, _QUOTED_LINE, _ADDRESS):
        text = unspoken.sub(" ", text)
    return text.replace("’", "'").casefold()


def words_in(said: str) -> list[str]:
    return _WORD.findall(said)


def points_of(said: str, language: str) -> float:
    """How much in ``said``, as ``spoken`` returns it, is of this language: a point for each
    function word, in parts if several languages use it, and less for a spelling. 0 for a language
    without a list."""
    if language not in FUNCTION_WORDS:
        return 0.0
    by_words = sum(
        1 / sum(word in known for known in FUNCTION_WORDS.values())
        for word in words_in(said)
        if word in FUNCTION_WORDS[language]
    )
    return by_words + _SPELLING_POINTS * len(_SPELLINGS[language].findall(said))


def _sentences(said: str) -> Iterator[str]:
    for sentence in _SENTENCE.findall(said):
        for opening in (_GREETING, _LEAD_IN, _LEAD_IN):
            sentence = opening.sub("", sentence, count=1) if opening.match(sentence) else sentence
        yield sentence.strip()


def _asks(sentence: str, openings: Collection[re.Pattern[str]]) -> bool:
    words = len(_WORD.findall(sentence))
    if words < _FEW or _COURTESY.fullmatch(sentence):
        return False
    if sentence.endswith("?"):
        *_, last = re.split(r"[,;–]", sentence)
        return not _TAG.fullmatch(last.strip())
    return words > _FEW and any(opening.match(sentence) for opening in openings)
