# Answers of lavaan and psych to compare with, from the items of Holzinger & Swineford (1939) that lavaan ships.
# Run in this folder with R, lavaan and psych installed:  Rscript r_factors.R
suppressMessages({library(lavaan); library(psych)})
items <- paste0("x", 1:9)
data <- HolzingerSwineford1939
model <- "visual =~ x1 + x2 + x3
          textual =~ x4 + x5 + x6
          speed =~ x7 + x8 + x9"
rows <- list()
add <- function(kind, name, value) rows[[length(rows) + 1]] <<- data.frame(kind, name, value = signif(value, 12))
fits <- c("chisq", "df", "cfi", "rmsea")
report <- function(kind, fit) for (one in fits) add(kind, one, fitMeasures(fit)[[one]])

# The moments that the models are fitted to: one line a number, divided by n.
for (school in c("Pasteur", "Grant-White")) {
  part <- as.matrix(data[data$school == school, items])
  add(paste("moments", school), "n", nrow(part))
  for (i in 1:9) add(paste("moments", school), paste("mean", items[i]), mean(part[, i]))
  s <- cov(part) * (nrow(part) - 1) / nrow(part)
  for (i in 1:9) for (j in 1:i) add(paste("moments", school), paste(items[i], items[j]), s[i, j])
}
three <- cfa(model, data, std.lv = TRUE)
report("three factors", three)
for (pair in list(c(1, 2), c(1, 3), c(2, 3))) add("three factors", paste("r", pair[1], pair[2]), lavInspect(three, "std")$psi[pair[1], pair[2]])
for (i in 1:9) add("three factors", paste("loading", items[i]), rowSums(lavInspect(three, "std")$lambda)[i])
report("one factor", cfa(paste("g =~", paste(items, collapse = "+")), data, std.lv = TRUE))
for (equal in list("form", "loadings", c("loadings", "intercepts")))
  report(paste("invariance", tail(equal, 1)),
         if (equal[1] == "form") cfa(model, data, group = "school") else cfa(model, data, group = "school", group.equal = equal))
scalar <- cfa(model, data, group = "school", group.equal = c("loadings", "intercepts"))
for (f in 1:3) add("invariance intercepts", paste("mean", f), lavInspect(scalar, "est")[[2]]$alpha[f] / sqrt(lavInspect(scalar, "est")[[1]]$psi[f, f]))

# Reliability of the first six items, and of three.
r <- cov2cor(cov(data[, items]))
add("reliability", "alpha x4 x5 x6", psych::alpha(r[4:6, 4:6])$total$std.alpha)
one <- fa(r[1:6, 1:6], 1, fm = "ml", n.obs = nrow(data))
for (i in 1:6) add("one factor of six", items[i], one$loadings[i])
write.csv(do.call(rbind, rows), "r_factors.csv", row.names = FALSE, quote = FALSE)
cat(R.version.string, "lavaan", as.character(packageVersion("lavaan")), "psych", as.character(packageVersion("psych")), "\n")
