# Reference answers from metafor for tests/golden/test_pooling_references.py: five invented studies, and the first three.
# Run in this folder: Rscript r_pooling.R > r_pooling.csv   (made with R 4.2.2, metafor 3.8.1)
suppressMessages(library(metafor))
value <- c(0.10, 0.35, 0.22, 0.05, 0.41)
error <- c(0.05, 0.08, 0.06, 0.04, 0.10)
for (size in c(3, 5)) {
  found <- rma(value[1:size], sei = error[1:size], method = "PM", test = "knha", control = list(tol = 1e-12))
  ahead <- sqrt(found$tau2 + found$se^2) * qt(0.975, size - 2)
  answers <- c(size, found$beta, found$ci.lb, found$ci.ub, found$tau2, found$beta - ahead, found$beta + ahead)
  cat(format(answers, digits = 9, trim = TRUE), sep = ",", fill = 200)
}
