//! The sample shop, compiled in, so that a fresh installation has something to say.

macro_rules! articles {
    ($($id:literal),* $(,)?) => {
        [$(($id, include_str!(concat!("../knowledge/", $id, ".md")))),*]
    };
}

const ARTICLES: [(&str, &str); 24] = articles![
    "en/battery-care",
    "en/charging",
    "en/contact",
    "en/error-codes",
    "en/maintenance",
    "en/models",
    "en/orders",
    "en/payment",
    "en/range",
    "en/returns",
    "en/shipping",
    "en/warranty",
    "zh/battery-care",
    "zh/charging",
    "zh/contact",
    "zh/error-codes",
    "zh/maintenance",
    "zh/models",
    "zh/orders",
    "zh/payment",
    "zh/range",
    "zh/returns",
    "zh/shipping",
    "zh/warranty",
];

/// Id and Markdown of every article of the sample shop.
pub(crate) fn articles() -> impl Iterator<Item = (String, String)> {
    ARTICLES.into_iter().map(|(id, text)| (id.to_owned(), text.to_owned()))
}
