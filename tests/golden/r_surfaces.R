# Reference answers from R's lm, glm, sandwich and MASS for tests/golden/test_response_surfaces.py.
# Run in this folder: Rscript r_surfaces.R > r_surfaces.csv   (made with R 4.2.2, sandwich 3.0-2, MASS 7.3-58.2)
# The bundled mobile-phone survey: overall expectation (CUEX1), quality (PERQ1) and satisfaction (CUSA1), 1 to 10.
library(sandwich)
library(MASS)

rows <- read.csv("../../data/raw/mobile.csv")
rows <- transform(rows,
  p = PERQ1 - 5.5, e = CUEX1 - 5.5, z = CUSA1, high = CUSA1 >= 9, answer = factor(pmax(CUSA1, 5)),
  weight = 1 + IMAG2 %% 3
)

answers <- list()
note <- function(kind, fit, covariance) {
  slopes <- coef(fit)
  errors <- sqrt(diag(covariance))[seq_along(slopes)]
  for (place in seq_along(slopes)) {
    name <- gsub("[^a-z0-9]", "", tolower(names(slopes)[place]))
    answers[[paste(kind, name)]] <<- slopes[[place]]
    answers[[paste(kind, name, "error")]] <<- errors[[place]]
  }
}

least <- lm(z ~ p + e + I(p^2) + I(p * e) + I(e^2), rows)
weighted <- update(least, weights = weight)
odds <- update(least, high ~ .)
logistic <- glm(formula(odds), binomial, rows, control = list(epsilon = 1e-14))
ordered <- polr(update(formula(least), answer ~ .), rows, Hess = TRUE, control = list(reltol = 1e-15, maxit = 2000))
note("plain", least, vcovHC(least, "HC3"))
note("clusters", least, vcovCL(least, ~IMAG1, type = "HC1"))
note("weights", weighted, vcovHC(weighted, "HC3"))
note("binary", logistic, vcovHC(logistic, "HC0"))
note("ordered", ordered, sandwich(ordered))

answers[["explained"]] <- summary(least)$r.squared
answers[["deviance"]] <- 1 - as.numeric(logLik(ordered)) / as.numeric(logLik(polr(answer ~ 1, rows)))
difference <- lm(z ~ I(p - e), rows)
answers[["lost"]] <- summary(least)$r.squared - summary(difference)$r.squared
answers[["aic"]] <- AIC(difference) - AIC(least)
force <- rbind(c(0, 1, 1, 0, 0, 0), c(0, 0, 0, 1, 0, 0), c(0, 0, 0, 0, 1, 0), c(0, 0, 0, 0, 0, 1))
off <- force %*% coef(least)
answers[["wald"]] <- drop(t(off) %*% solve(force %*% vcovHC(least, "HC3") %*% t(force), off)) / 4
kinked <- lm(z ~ p * (p < e) + e * (p < e), rows)
answers[["two planes"]] <- summary(kinked)$r.squared
answers[["absolute"]] <- summary(lm(z ~ abs(p - e), rows))$r.squared

cat("quantity,value\n")
for (name in names(answers)) cat(name, ",", format(answers[[name]], digits = 13), "\n", sep = "")
