"""The word lists that ship, as data: the safety list until a rule set brings its own, and stop words of languages.

The safety list is meant to be short and to err towards a person having a look. It is a starting point for an
organisation's own list, not a clinical instrument; a rule set with `[words.en] safety = […]` replaces it.
"""

from collections.abc import Mapping

DEFAULT_WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "en": {
        "safety": (
            "abuse", "abused", "abuses", "abusive", "afraid of him", "afraid of her", "afraid of them", "assault",
            "assaulted", "blackmail", "blackmailed", "bullied", "bullying", "creepy", "discriminated",
            "discrimination", "end my life", "follows me home", "grabbed me", "grooming", "harass", "harassed",
            "harassing", "harassment", "hate crime", "hit me", "hurt me", "hurt myself", "inappropriate touching",
            "kill me", "kill myself", "molested", "naked", "not safe", "nude", "nudes", "overdose", "racist", "rape",
            "raped", "scared of him", "scared of her", "scared of them", "self harm", "self-harm", "sexist",
            "sexual", "sexually", "stalked", "stalker", "stalking", "suicidal", "suicide", "threat", "threaten",
            "threatened", "threatening", "threats", "touched me", "unsafe", "unwanted advances", "violence",
            "violent", "want to die",
        )
    }
}  # fmt: skip

_STOP_WORDS = {
    "de": """
        aber als am auch auf aus bei bin das dass dem den der des die ein eine einen einer er es für hat hatte haben
        ich ihm ihr im ist ja kann kein mein mich mir mit nach nicht noch nur oder schon sehr sie sind so und uns
        unser vom von war waren was wenn wie wir wird zu zum zur
    """,
    "en": """
        about and are as at be been but by can did for from had has have he her him his i if in is it me my not of
        on or our she so that the their them there they this to us was we were what when which who will with would
        you your
    """,
    "es": """
        al como con cuando de del el ella ellos en era es esta está este fue ha hay la las le lo los me mi mis muy
        más no nos nuestro o para pero por porque que se si sin son su sus también te tiene un una y ya yo
    """,
    "fr": """
        au aux avec ce cette dans de des du elle en est et être il ils je la le les leur lui mais me mes moi mon ma
        ne nous on ou par pas plus pour qu que qui sa sans se ses son sont sur très tu un une vous y été était
    """,
    "it": """
        abbiamo al alla anche che ci come con da dei del della di è e ed era gli ha ho i il in io la le lei lo lui
        ma mi mia mio molto nel nella noi non nostro o per perché più quando questo questa se si sono su sua suo ti
        un una
    """,
    "nl": """
        aan als bij dat de deze die dit een en er ga geen had heb hebben heeft het hij hoe ik in is je kan maar me
        met mij mijn naar niet nog of om ons onze ook op te tot uit van veel voor was wat we wel werd wij ze zeer
        zich zijn zo
    """,
    "pt": """
        a ao com como da das de do dos e ela ele em era essa esse está eu foi há isso já mais mas me meu minha muito
        na nas nos não no nosso nós o os ou para pela pelo por porque quando que se sem seu sua são também tem um
        uma você
    """,
    "sv": """
        att av blev de den det där efter en ett från för han har hon i inte jag kan man med men mig min mitt mycket
        när och om oss på sig sin som så till under upp ut var vi vid är
    """,
}

STOP_WORDS: Mapping[str, frozenset[str]] = {
    language: frozenset(words.split()) for language, words in _STOP_WORDS.items()
}
