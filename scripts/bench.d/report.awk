# Makes tables, JSON or lines of history of groups, notes, what is lost, and samples (in this order; tabs between fields).

BEGIN { FS = "\t" }

FILENAME ~ /\/groups$/ { order[++groups] = $1; better[$1] = $2; part[$1] = $3; columns[$1] = $4; title[$1] = $5; next }
FILENAME ~ /\/notes$/ { notes[$1] = notes[$1] (notes[$1] == "" ? "" : "\n") $2; next }
FILENAME ~ /\/lost$/ { lost = lost "- " $1 ": " $2 "\n"; next }
{
    key = $1 SUBSEP $2
    if (!(key in seen)) { seen[key] = 1; rows[$1, ++count[$1]] = $2 }
    if ($4 ~ /^-?[0-9.]+$/) values[key, $3] = values[key, $3] " " $4
}

function median(list,   v, n, i, j, t) {
    n = split(list, v, " ")
    for (i = 2; i <= n; i++) for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
    return n ? v[int((n + 1) / 2)] + 0 : "-"
}

function shown(x) {
    if (x == "-") return "-"
    if (x >= 100 || x == int(x)) return sprintf("%.0f", x)
    return x >= 10 ? sprintf("%.1f", x) : sprintf("%.3g", x)
}

# How many times as good `ours` is.
function ratio(group, ours, theirs) {
    if (ours == "-" || theirs == "-" || ours == 0 || theirs == 0) return "-"
    return better[group] == "low" ? theirs / ours : ours / theirs
}

function times(x) { return x == "-" ? "-" : sprintf("%.2f", x) }

function one(row) { sub(/^1 sessions/, "1 session", row); sub(/, 1 clients/, ", 1 client", row); return row }

function named(column) {
    if (column == "fulmar") return "Fulmar"
    if (column == "fast") return "Dovecot, high-performance setting"
    if (column == "limit") return "the machine's limit"
    if (column == "empty") return "empty queue"
    return toupper(substr(column, 1, 1)) substr(column, 2)
}

function text(string) { gsub(/\\/, "\\\\", string); gsub(/"/, "\\\"", string); gsub(/\t/, " ", string); return "\"" string "\"" }

function table(group,   head, rule, r, c, n, names, key, ours, value, line) {
    n = split(columns[group], names, " ")
    head = "| |"; rule = "|---|"
    for (c = 1; c <= n; c++) { head = head " " named(names[c]) " |" (c > 1 ? " x |" : ""); rule = rule (c > 1 ? "---|---|" : "---|") }
    printf "### %s\n\n`scripts/bench%s %s`\n\n%s\n%s\n", title[group], (scale == "middle" ? "" : " --" scale), part[group], head, rule
    for (r = 1; r <= count[group]; r++) {
        key = group SUBSEP rows[group, r]
        ours = median(values[key, "fulmar"])
        line = "| " one(rows[group, r]) " | " shown(ours) " |"
        for (c = 2; c <= n; c++) { value = median(values[key, names[c]]); line = line " " shown(value) " | " times(ratio(group, ours, value)) " |" }
        print line
    }
    if (notes[group] != "") printf "\n%s\n", notes[group]
    print ""
}

function markdown(   g) {
    printf "%s, commit %s; %s. %s.\n%s rounds of %s s, in turns; medians; x: times as good as that column in the same run.\n\n", date, commit, machine, versions, rounds, seconds
    for (g = 1; g <= groups; g++) if (count[order[g]]) table(order[g])
    if (lost != "") printf "Not measured:\n\n%s\n", lost
}

function json(   g, r, c, n, names, group, key, ours, first, list) {
    printf "{\n  \"commit\": %s, \"date\": %s, \"machine\": %s,\n  \"peers\": %s, \"command\": %s, \"rounds\": %d, \"seconds\": %d,\n", text(commit), text(date), text(machine), text(versions), text(line), rounds, seconds
    gsub(/\n/, " ", lost)
    printf "  \"not_measured\": %s,\n  \"rows\": [", text(lost)
    for (g = 1; g <= groups; g++) {
        group = order[g]
        n = split(columns[group], names, " ")
        for (r = 1; r <= count[group]; r++) {
            key = group SUBSEP rows[group, r]
            ours = median(values[key, "fulmar"])
            printf "%s\n    {\"part\": %s, \"table\": %s, \"row\": %s, \"better\": %s", (first++ ? "," : ""), text(part[group]), text(group), text(rows[group, r]), text(better[group])
            for (c = 1; c <= n; c++) {
                list = values[key, names[c]]
                sub(/^ /, "", list); gsub(/ /, ", ", list)
                printf ", %s: {\"median\": %s, \"samples\": [%s]", text(names[c]), number(median(values[key, names[c]])), list
                if (c > 1) printf ", \"times\": %s", number(ratio(group, ours, median(values[key, names[c]])))
                printf "}"
            }
            printf "}"
        }
    }
    print "\n  ]\n}"
}

function number(x) { return x == "-" ? "null" : x }

# The geometric mean of all rows' ratios and the worst, for each column that is compared with.
function history(   g, r, c, n, names, group, key, x, sum, some, worst) {
    for (g = 1; g <= groups; g++) {
        group = order[g]
        n = split(columns[group], names, " ")
        for (c = 2; c <= n; c++) {
            sum = some = 0; worst = ""
            for (r = 1; r <= count[group]; r++) {
                key = group SUBSEP rows[group, r]
                x = ratio(group, median(values[key, "fulmar"]), median(values[key, names[c]]))
                if (x == "-") continue
                sum += log(x); some++
                if (worst == "" || x < worst) worst = x
            }
            if (some) printf "| %s | %s | %s | %s | %s | %.2f | %.2f |\n", substr(date, 1, 10), commit, machine, group, named(names[c]), exp(sum / some), worst
        }
    }
}

END {
    if (mode == "json") json()
    else if (mode == "history") history()
    else markdown()
}
