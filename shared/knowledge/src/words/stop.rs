//! Words that say nothing about what a text is about: function words, question words, courtesy, and the verbs with
//! which customers wrap their question ("can you tell me", "我想问一下").

use std::{collections::HashSet, sync::LazyLock};

/// Whether a lower-case word, before it is stemmed, carries no meaning of its own.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOP_WORDS.contains(word)
}

static STOP_WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ENGLISH.split_whitespace().chain(CHINESE.split_whitespace()).collect());

const ENGLISH: &str = "
    a an the this that these those some any all both each every other another such same own
    i me my mine myself you your yours yourself he him his she her hers it its we us our ours they them their theirs
    someone anyone something anything everything nothing one ones
    am is are was were be been being isn aren wasn weren ain
    do does did done doing don doesn didn have has had having haven hasn hadn
    can cannot could couldn may might must shall should shouldn will won would wouldn ll re ve
    and or but nor so if then than as because while though although whether unless until
    of in on at by for with without about into onto from to up down out over under again off through during before
    after between against per via within around
    no yes too very just only also even still yet already really quite rather maybe perhaps actually
    what which who whom whose when where why how much many long often soon ever exactly
    there here now
    please thanks thank hello hi hey dear sir madam sorry excuse greetings ok okay
    want wants wanted like need needs needed know tell ask asking say explain help wonder wondering think guess
    get gets getting got go goes going gone come comes let make makes made take takes taking took taken use using give given
    mean means happen happens happened work works allow allowed able possible supposed available
    sell sells sold offer offers time times
    question questions problem problems issue issues information info thing things way
";

const CHINESE: &str = "
    的 地 得 了 着 过 吗 呢 吧 啊 呀 哦 嗯 嘛 啦 哈 么 之 其
    我 你 您 他 她 它 我们 你们 您们 他们 咱们 自己 大家 别人 有人
    这 那 这个 那个 这些 那些 这种 那种 这样 那样 这里 那里 这儿 那儿 此 该
    是 不是 是不是 是否 有 没有 有没有 不会 不要
    哪 哪个 哪些 哪种 哪里 哪儿 哪款 谁 什么 啥 怎么 怎么办 怎样 怎么样 咋 咋办 如何 为什么 为何 为啥
    多少 多少钱 钱 多久 多长 多长时间 多 几 几个 几年 几天 几次 几点 什么时候 啥时候 时候 何时
    一 一个 一下 一些 一点 个 次 种 些 点
    在 和 与 或 或者 及 以及 还是 也 都 就 才 又 再 还 还有 很 太 最 更 比较 非常 真 挺 只 只有 已经 正在
    给 把 被 让 用 对 对于 从 到 向 往 为 为了 以 于 由 跟 同 比 按 当 上 下 里 里面 中 内 后 前 之后 之前 以后 以前
    如果 假如 要是 的话 但是 但 不过 因为 所以 而 而且 然后 那么
    可以 可 能 能够 能不能 可不可以 会 会不会 要 要不要 需要 应该 必须 行 行不行 好 好不好 好吗 吗
    想 想要 想问 问 请 请问 询问 咨询 了解 知道 告诉 说 说明 解释 介绍 觉得 帮 帮忙 帮助 麻烦 看 看看 做 弄 搞 办 处理 去 来 卖 意思 代表 表示
    你好 您好 谢谢 感谢 多谢 不好意思 抱歉 打扰 在吗 亲
    关于 有关 问题 事 事情 情况 东西 一般 通常 大概 大约 左右 现在 目前
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_both_lists_are_known() {
        assert!(["what", "please", "怎么办", "您好"].into_iter().all(is_stop_word));
        assert!(!["battery", "电池", "e03"].into_iter().any(is_stop_word));
    }
}
