//! How people ask for a human without naming one of the keywords.

const PATTERNS: &[&str] = &[
    // Chinese
    "有没有人$",
    "有没有人(在|吗|啊|呀|管|理我|理|回)",
    "有人(吗|在吗|没有$|没$|在不在|理我吗|管吗)",
    "(能|能不能|可以|可不可以)(帮我)?(找|换|叫|转)(个|一个|位|一位)?(人|工作人员|负责人|经理|主管|专员)",
    "(找|换|叫)(个|一个|位|一位|你们)?(活人|工作人员|负责人|经理|主管|领导|店长)",
    "(我要|我想|我得|想)(找|和|跟|联系|见)(你们)?(的)?(工作人员|负责人|经理|主管|领导|店长)",
    "(我要|我想|想)(和|跟)(个|真正的)?人(说话|聊|谈|沟通|讲)",
    "(转|接)(给|到)?(你们)?(工作人员|专员|负责人|经理|主管|同事)",
    "(不要|不想要|不想和|不想跟|别用|别拿)(机器人|自动回复)",
    // English
    "(can|could|may) i (please )?(talk|speak|chat) (to|with) (someone|somebody|anyone|anybody|a human|a person|an agent|staff|your team|customer service|support)",
    "(want|need|like|prefer) to (talk|speak|chat) (to|with) (someone|somebody|anyone|a human|a person|an agent|staff|your team|customer service|support)",
    "is (there )?(someone|somebody|anyone|anybody) (there|here|available|around|real|i can talk to|who can help)",
    "(get|give|find) me (a |an )?(human|person|real person|agent|manager|supervisor|representative|operator)",
    "^(a |an )?(human|agent|operator|representative|real person|live chat)( please)?$",
    "(transfer|connect|hand|put) me (over |through )?(to|with) (a |an |your )?(human|person|agent|manager|supervisor|colleague|support team|someone|somebody)",
    "don't want (to talk to )?(a |the |this )?(bot|chatbot|robot|machine)",
    "(can|could) (you|someone|somebody) (please )?call me",
    // German
    "(kann|könnte|darf|dürfte) ich (bitte )?(mal )?(mit )?(jemandem|jemanden|einem menschen|einer person|ihrem team|einem kollegen) (sprechen|reden|chatten)",
    "(möchte|will|würde gern|würde gerne) (bitte )?(mit )?(jemandem|jemanden|einer echten person|ihrem team|dem kundendienst|dem kundenservice) (sprechen|reden)",
    "ist (da |hier |dort )?(jemand|ein mensch) (da|hier|erreichbar|verfügbar)",
    "(verbinden|verbinde) (sie )?mich (bitte )?mit",
    "^(ein |einen )?(mitarbeiter|berater|mensch|menschen)( bitte)?$",
    "(keinen|nicht mit einem|nicht mit dem) (bot|chatbot|roboter)",
    // French
    "(puis-je|je peux|pourrais-je|je voudrais|j'aimerais|je veux|je souhaite) (parler|discuter) (à|a|avec) (quelqu'un|une personne|un humain|un responsable|votre équipe|le service client)",
    "(y a-t-il|il y a|est-ce qu'il y a) quelqu'un",
    "(passez-moi|mettez-moi en relation avec) (quelqu'un|un conseiller|un humain|un responsable|une personne)",
    "^(un |une )?(conseiller|conseillère|humain|agent)( s'il vous plaît| svp)?$",
    "(pas|plus) parler à (un|une|ce|cette) (robot|bot|machine)",
    // Spanish
    "(puedo|podría|quiero|quisiera|necesito|me gustaría) (hablar|chatear|comunicarme) con (alguien|una persona|un humano|un encargado|un responsable|un supervisor|atención al cliente|soporte)",
    "hay alguien (ahí|ahi|aquí|aqui|disponible|que me ayude|que pueda ayudarme)",
    "(pásame|páseme|pasame|paseme|comuníqueme|comunícame) con (alguien|una persona|un agente|un supervisor|un humano)",
    "^(un |una )?(agente|humano|asesor|operador)( por favor)?$",
    "no quiero (hablar con )?(un |el )?(bot|robot|chatbot)",
];

/// The built-in patterns.
pub(super) fn patterns() -> Vec<String> {
    PATTERNS.iter().map(|pattern| (*pattern).to_owned()).collect()
}
