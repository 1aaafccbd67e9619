# Reference answers from R (base packages only) for tests/golden/test_driver_importance.py.
# Run in this folder: Rscript r_drivers.R > r_drivers.csv   (made with R 4.2.2)
# Shapley shares straight from their definition: sequential sums of squares, averaged over all orders of the drivers.

orders <- function(v) {
  if (length(v) <= 1) return(list(v))
  do.call(c, lapply(seq_along(v), function(i) lapply(orders(v[-i]), function(rest) c(v[i], rest))))
}
shapley <- function(rows, outcome, blocks, weight = rep(1, nrow(rows))) {
  rows$.weight <- weight
  parts <- setNames(numeric(length(blocks)), names(blocks))
  all_orders <- orders(names(blocks))
  for (order in all_orders) {
    before <- 0
    for (k in seq_along(order)) {
      model <- lm(reformulate(unlist(blocks[order[1:k]]), outcome), rows, weights = .weight)
      now <- summary(model)$r.squared
      parts[order[k]] <- parts[order[k]] + now - before
      before <- now
    }
  }
  parts / length(all_orders)
}

cat("set,quantity,first,second,value\n")
note <- function(set, quantity, first, second, value) {
  cat(sprintf("%s,%s,%s,%s,%.12f\n", set, quantity, first, second, value), sep = "")
}
correlations <- function(set, rows) {
  r <- cor(rows)
  for (a in colnames(r)) for (b in colnames(r)) note(set, "correlation", a, b, r[a, b])
}

single <- function(v) setNames(as.list(v), v)
correlations("swiss", swiss)
drivers <- names(swiss)[-1]
found <- shapley(swiss, "Fertility", single(drivers))
note("swiss", "shapley", drivers, "", found)
correlations("mtcars", mtcars[c("mpg", "cyl", "disp", "hp", "gear")])

answers <- read.csv("../../data/raw/mobile.csv")
starts <- c(image = "IMAG", expectation = "CUEX", quality = "PERQ", value = "PERV", satisfaction = "CUSA", loyalty = "CUSL")
scores <- as.data.frame(lapply(starts, function(s) rowMeans(answers[grepl(paste0("^", s), names(answers))])))
drivers <- setdiff(names(scores), "loyalty")
weight <- 1 + seq_len(nrow(scores)) %% 3
note("mobile", "shapley", drivers, "", shapley(scores, "loyalty", single(drivers)))
note("mobile", "weighted", drivers, "", shapley(scores, "loyalty", single(drivers), weight))
blocks <- list(before = c("image", "expectation"), experience = c("quality", "value"), satisfaction = "satisfaction")
note("mobile", "blocks", names(blocks), "", shapley(scores, "loyalty", blocks, weight))
