package password

import "strings"

// common are the words of which people make long passwords, in lower case. It
// is a short list, made by hand, which stops what is tried first.
// Config.Breached is for more.
var common = strings.Fields(`
password passwort passphrase passwd contraseña motdepasse wachtwoord hasło
senha parola пароль secret geheim login logon signin letmein welcome willkommen
bienvenue admin administrator root sysadmin superuser operator user username
guest test testing demo sample example default changeme change temp temporary
access account office company internet computer server service system windows
linux google facebook microsoft apple amazon samsung iphone android
iloveyou iloveu ihateyou loveyou love forever always never mylove baby angel
princess prince queen king sunshine sweetheart beautiful flower butterfly
monkey dragon tiger eagle panther dolphin kitty puppy chicken banana cookie
chocolate cheese pepper football baseball basketball soccer hockey tennis
liverpool chelsea arsenal barcelona realmadrid manchester united juventus
superman batman spiderman starwars startrek pokemon naruto minecraft matrix
master shadow killer ninja hunter ranger thunder phoenix mustang ferrari
mercedes porsche harley yamaha freedom whatever nothing trustno1 fuckyou
jesus christ jesuschrist god heaven blessed michael jennifer jessica jordan
daniel thomas andrew joshua charlie george robert
january february march april may june july august september october november
december monday tuesday wednesday thursday friday saturday sunday
spring summer autumn winter hello world helloworld goodmorning thankyou
thisismy mynameis this is my the your our new old and for with not
correcthorsebatterystaple correct horse battery staple
thequickbrownfox jumpsoverthelazydog jumpsoverthelazy tobeornottobe
thatisthequestion maytheforcebewithyou opensesame abracadabra hocuspocus
onceuponatime inthebeginning itwasthebestoftimes happybirthday
supercalifragilisticexpialidocious antidisestablishmentarianism
neverforget nevergiveup livelaughlove carpediem hakunamatata loremipsum
dolorsitamet twinkletwinkle littlestar rockandroll oneringtorulethemall
winteriscoming foobar barbaz foobarbaz xyzzy asdf qwer zxcv abc123 147258369
741852963 789456123 159753 13579 24680
one two three four five six seven eight nine zero
` + years)

// years are numbers that people put into passwords more often than others.
const years = `
1950 1951 1952 1953 1954 1955 1956 1957 1958 1959 1960 1961 1962 1963 1964 1965
1966 1967 1968 1969 1970 1971 1972 1973 1974 1975 1976 1977 1978 1979 1980 1981
1982 1983 1984 1985 1986 1987 1988 1989 1990 1991 1992 1993 1994 1995 1996 1997
1998 1999 2000 2001 2002 2003 2004 2005 2006 2007 2008 2009 2010 2011 2012 2013
2014 2015 2016 2017 2018 2019 2020 2021 2022 2023 2024 2025 2026 2027 2028 2029
2030 2031 2032 2033 2034 2035 2036 2037 2038 2039`

// walks are the paths of fingers over keyboards (QWERTY, QWERTZ, AZERTY and
// ЙЦУКЕН): along rows with and without shift, down columns, and in zigzag.
const walks = `1234567890 qwertyuiop asdfghjkl zxcvbnm
!@#$%^&*() !"§$%&()= qwertzuiopü asdfghjklöä yxcvbnm azertyuiop qsdfghjklm wxcvbn
йцукенгшщзхъ фывапролджэ ячсмитьбю
1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p zaq1xsw2cde3vfr4bgt5nhy6mju7
qazwsxedcrfvtgbyhnujmikolp 1q2w3e4r5t6y7u8i9o0p q1w2e3r4t5y6u7i8o9p0`
