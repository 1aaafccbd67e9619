# Reference answers from lavaan for tests/golden/test_mediation_references.py.
# Run in this folder: Rscript r_mediation.R > r_mediation.csv   (made with R 4.2.2, survival 3.5-3)
suppressMessages({library(lavaan); library(survival)})
rows <- list()
add <- function(name, value, error = NA) rows[[length(rows) + 1]] <<- data.frame(name, value = signif(value, 12), error = signif(error, 12))

# Does age lower the appetite of these patients by way of their general condition, sex held fixed?
columns <- c("age", "ph.karno", "meal.cal", "sex")
known <- na.omit(lung[, columns])
names(known) <- c("age", "karno", "meal", "sex")
known$meal <- known$meal / 100
model <- "karno ~ first * age + sex
          meal ~ direct * age + second * karno + sex
          indirect := first * second
          total := direct + first * second"
fit <- sem(model, known, fixed.x = FALSE, estimator = "MLR")
told <- standardizedSolution(fit)
for (name in c("first", "second", "direct", "indirect", "total")) {
  line <- told[told$label == name, ]
  add(name, line$est.std[1], line$se[1])
}
add("n", nrow(known))

# What is left of the condition and of the appetite, age and sex taken out.
add("tie", cor(resid(lm(karno ~ age + sex, known)), resid(lm(meal ~ age + sex, known))))

# A hidden cause that makes the errors of the two go together by rho: what is left of the path, on the scale above.
e2 <- resid(lm(karno ~ age + sex, known))
e1 <- resid(lm(meal ~ age + sex, known))
# With a correlation of rho between the errors, the slope solves cov(e1 - b e2, e2) = rho sd(e1 - b e2) sd(e2).
for (rho in c(-0.1, 0.1, 0.3)) {
  slope <- uniroot(function(b) cor(e1 - b * e2, e2) - rho, c(-100, 100), tol = 1e-13)$root
  add(paste("under", rho), coef(lm(karno ~ age + sex, known))["age"] * slope * sd(known$age) / sd(known$meal))
}
all <- do.call(rbind, rows)
write.csv(all, row.names = FALSE, quote = FALSE)
